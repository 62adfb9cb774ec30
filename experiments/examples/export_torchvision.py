#!/usr/bin/env python3
"""Writes a small residual network of torchvision as ONNX, for 1 x 28 x 28 images of 10 classes.

    /usr/bin/python3 experiments/examples/export_torchvision.py FILE.onnx

Needs Debian's python3-torch, python3-torchvision and python3-onnx. Any other model goes the same way: in eval mode, with
the batch free. TrainingMode.PRESERVE keeps batch norms as nodes of their own, so that training can go on with them;
without it they are folded into the convolutions, which is as good for a network that is trained already.
"""
import sys

import torch
from torchvision.models.resnet import BasicBlock, ResNet


def main(file):
    torch.manual_seed(1)
    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)
    model.conv1 = torch.nn.Conv2d(1, 64, 3, padding=1, bias=False)
    model.maxpool = torch.nn.MaxPool2d(2)
    model.eval()
    torch.onnx.export(model, torch.zeros(1, 1, 28, 28), file, opset_version=13, input_names=["images"],
                      output_names=["logits"], dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
