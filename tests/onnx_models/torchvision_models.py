#!/usr/bin/env python3
"""Writes networks of torchvision as ONNX, with what they compute and what they are made of.

    torchvision_models.py FOLDER NAME...

Weights are random; batch norms have statistics as after a training, so that every number matters. For each NAME:
FOLDER/NAME.onnx, FOLDER/NAME.json (the multiplications of every convolution and linear layer, counted by running it),
and FOLDER/images.npy (2 x 3 x 224 x 224), which all of them read.
"""
import json
import os
import sys
import warnings

import numpy as np
import torch
import torchvision

warnings.filterwarnings("ignore")


def build(name):
    options = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(**options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    return model.eval()


def count(model, images):
    layers = []

    def record(module, inputs, output):
        if isinstance(module, torch.nn.Conv2d):
            each = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            layers.append(output[0].numel() * each)
        else:
            layers.append(module.in_features * module.out_features)

    hooks = [m.register_forward_hook(record) for m in model.modules()
             if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return layers


def main(folder, names):
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 224, 224)
    np.save(os.path.join(folder, "images.npy"), images.numpy())
    for name in names:
        model = build(name)
        file = os.path.join(folder, name)
        torch.onnx.export(model, images[:1], file + ".onnx", opset_version=13, input_names=["images"],
                          output_names=["logits"], dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}})
        with open(file + ".json", "w") as out:
            json.dump({"macs": count(model, images[:1])}, out)


main(sys.argv[1], sys.argv[2:])
