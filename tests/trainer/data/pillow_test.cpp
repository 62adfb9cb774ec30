#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "quant/base/npy.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "trainer/data/folder_images.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

/// Images of random sizes as PNG and JPEG of every kind; and what Pillow makes of them, as torchvision's
/// Resize and CenterCrop would: uint8, N, H, W, C, in the order of a class's files.
constexpr const char* kScript = R"(
import random, sys, numpy as np, os
from PIL import Image
folder, color, resize, crop = sys.argv[1], sys.argv[2], eval(sys.argv[3]), eval(sys.argv[4])
rng, random_size = np.random.default_rng(7), random.Random(7)
kinds = [('L', 'png'), ('RGB', 'png'), ('RGBA', 'png'), ('P', 'png'), ('LA', 'png'),
         ('L', 'jpg'), ('RGB', 'jpg'), ('CMYK', 'jpg')]
for name in 'ab':
    os.makedirs(os.path.join(folder, name))
    expected = []
    for n in range(16):
        mode, kind = kinds[n % len(kinds)]
        h, w = random_size.randint(40, 150), random_size.randint(40, 150)
        channels = {'L': 1, 'LA': 2, 'RGB': 3, 'P': 3, 'RGBA': 4, 'CMYK': 4}[mode]
        noise = rng.integers(0, 256, (h // 8 + 1, w // 8 + 1, channels), dtype=np.uint8)
        pixels = np.repeat(np.repeat(noise, 8, 0), 8, 1)[:h, :w]
        image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, None if mode in ('L', 'P', 'RGB') else mode)
        if mode == 'P': image = image.quantize(50)
        path = os.path.join(folder, name, '%02d.%s' % (n, kind))
        image.save(path)
        image = Image.open(path).convert({'gray': 'L', 'rgb': 'RGB'}[color])
        if len(resize) == 1:
            s, (w, h) = resize[0], image.size
            image = image.resize((s, int(s * h / w)) if w <= h else (int(s * w / h), s), Image.BILINEAR)
        elif resize:
            image = image.resize((resize[1], resize[0]), Image.BILINEAR)
        w, h = image.size
        top, left = int(round((h - crop[0]) / 2.0)), int(round((w - crop[-1]) / 2.0))
        image = image.crop((left, top, left + crop[-1], top + crop[0]))
        expected.append(np.asarray(image).reshape(crop[0], crop[-1], -1))
    np.save(os.path.join(folder, name + '.npy'), np.stack(expected))
)";

std::string python_list(const std::vector<int>& values) {
  std::string text = "[";
  for (const int value : values) text += std::to_string(value) + ",";
  return text + "]";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(folders_of_images_as_pillow)

BOOST_AUTO_TEST_CASE(decodes_converts_resizes_and_crops_them_to_the_bit) {
  const Preprocessing ways[] = {
      {ImageColor::rgb, {32}, {28}},
      {ImageColor::rgb, {181}, {170, 175}},
      {ImageColor::gray, {37, 61}, {37, 61}},
      {ImageColor::gray, {}, {40, 39}},
  };
  for (const Preprocessing& way : ways) {
    const tests::TemporaryFolder folder;
    const std::string color = way.color == ImageColor::gray ? "gray" : "rgb";
    // Pillow belongs to Debian's /usr/bin/python3.
    const auto made = base::run_process({"/usr/bin/python3", "-c", kScript, folder.path().string(), color,
                                         python_list(way.resize), python_list(way.crop)},
                                        "", 120);
    BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.err);
    const std::vector<std::string> files{folder.path().string()};
    const Dataset dataset = load_dataset(DataFormat::folder, files, {.preprocessing = way});
    const base::NpyArray expected[] = {base::read_npy(folder / "a.npy"), base::read_npy(folder / "b.npy")};
    const auto elements = static_cast<std::size_t>(dataset.shape().elements());
    BOOST_REQUIRE(expected[0].data.size() == 16 * elements);
    ImageScratch scratch;
    for (std::int64_t i = 0; i < dataset.images(); ++i) {  // a's and b's in turn
      const std::uint8_t* const found = dataset.pixels->bytes(i, scratch);
      const auto* const wanted = reinterpret_cast<const std::uint8_t*>(expected[i % 2].data.data()) +
                                 static_cast<std::size_t>(i / 2) * elements;
      BOOST_TEST(std::equal(found, found + elements, wanted), "image " << i / 2 << ", " << color);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
