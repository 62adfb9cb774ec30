#include "quant/base/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"

namespace bitsmith::base {

namespace {

constexpr int max_depth = 64;
constexpr std::size_t max_nodes = 100'000;
constexpr std::size_t max_file_bytes = std::size_t{1} << 20;

YamlMark mark_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

/// Depth and number of nodes of a finished tree: what an alias to it adds.
struct Extent {
  int depth = 1;
  std::size_t nodes = 1;
};

Extent extent(const YamlNode& node) {
  Extent whole;
  const auto include = [&](const YamlNode& child) {
    const Extent part = extent(child);
    whole.depth = std::max(whole.depth, part.depth + 1);
    whole.nodes += part.nodes;
  };
  for (const YamlNode& item : node.items) include(item);
  for (const YamlEntry& entry : node.entries) include(entry.value);
  return whole;
}

/// Builds the tree from yaml-cpp's events: its own node graph shares aliased nodes, may contain cycles,
/// accepts repeated keys and silently drops every document after the first.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(YamlDocument& document, std::vector<YamlProblem>* duplicates)
      : document_(document), duplicates_(duplicates) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(mark, "a second document begins here; only one is allowed in a file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) fail(mark, "a key must be a plain word, got nothing");
    place(mark, anchor, leaf(mark, YamlNode::Kind::null));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) fail(mark, "a key must be a plain word, got an alias");
    const auto target = anchors_.find(anchor);
    if (target == anchors_.end()) fail(mark, "the alias refers to a value that contains it");
    const Extent added = target->second.second;
    count(mark, added.nodes);
    if (depth() + added.depth > max_depth) fail_depth(mark);
    place(mark, 0, target->second.first);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    const bool quoted = tag == "!";
    if (expects_key()) {
      begin_entry(mark, value, quoted);
      return;
    }
    YamlNode node = leaf(mark, YamlNode::Kind::scalar);
    node.text = value;
    node.quoted = quoted;
    place(mark, anchor, std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor;
    YAML::Mark start;
    std::set<std::string> keys;
    YamlEntry entry;  ///< whose key has been read
    bool has_key = false;
    bool discard = false;  ///< the entry repeats an earlier key
  };

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& message) const {
    document_.fail(mark_of(mark), message);
  }
  [[noreturn]] void fail_depth(const YAML::Mark& mark) const {
    fail(mark, "nested deeper than " + std::to_string(max_depth) + " levels");
  }
  int depth() const { return static_cast<int>(open_.size()); }
  bool expects_key() const { return !open_.empty() && open_.back().node.is_map() && !open_.back().has_key; }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    fail(mark, "the tag '" + tag + "' is not supported; write the value without a tag");
  }

  void count(const YAML::Mark& mark, std::size_t added) {
    nodes_ += added;
    if (nodes_ > max_nodes)
      fail(mark, "more than " + std::to_string(max_nodes) + " values, aliases expanded");
  }

  YamlNode leaf(const YAML::Mark& mark, YamlNode::Kind kind) {
    count(mark, 1);
    YamlNode node;
    node.kind = kind;
    node.mark = mark_of(mark);
    return node;
  }

  void begin_entry(const YAML::Mark& mark, const std::string& key, bool quoted) {
    if (key == "<<" && !quoted) fail(mark, "merge keys '<<' are not supported; repeat the values");
    Open& map = open_.back();
    map.has_key = true;
    map.discard = !map.keys.insert(key).second;
    map.entry.key = key;
    map.entry.key_mark = mark_of(mark);
    if (!map.discard) return;
    const std::string message = "duplicate key '" + key + "'" + first_use(map.node, key);
    if (duplicates_ == nullptr) fail(mark, message);
    duplicates_->push_back({mark_of(mark), message});
  }

  static std::string first_use(const YamlNode& map, const std::string& key) {
    for (const YamlEntry& entry : map.entries)
      if (entry.key == key) return ", first given in line " + std::to_string(entry.key_mark.line);
    return {};
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    refuse_tag(mark, tag);
    if (expects_key()) fail(mark, "a key must be a plain word, got a list or map");
    if (depth() >= max_depth) fail_depth(mark);
    open_.push_back({leaf(mark, kind), anchor, mark, {}, {}, false, false});
  }

  void close() {
    Open finished = std::move(open_.back());
    open_.pop_back();
    place(finished.start, finished.anchor, std::move(finished.node));
  }

  void place(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode node) {
    if (anchor != 0) {
      const Extent size = extent(node);
      count(mark, size.nodes);  // the copy that aliases are made from
      anchors_[anchor] = {node, size};
    }
    if (open_.empty()) {
      document_.root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.is_sequence()) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    parent.has_key = false;
    if (parent.discard) return;
    parent.entry.value = std::move(node);
    parent.node.entries.push_back(std::move(parent.entry));
  }

  YamlDocument& document_;
  std::vector<YamlProblem>* duplicates_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::pair<YamlNode, Extent>> anchors_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

/// Length of the UTF-8 sequence that starts `text`, 0 if it is not valid (RFC 3629: no overlong forms, no
/// surrogates).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool good = !(first == 0xE0 && byte(1) < 0xA0) && !(first == 0xED && byte(1) > 0x9F);
    return good && continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool good = !(first == 0xF0 && byte(1) < 0x90) && !(first == 0xF4 && byte(1) > 0x8F);
    return good && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

/// yaml-cpp guesses encodings and takes the byte 4 for the end of the text: neither may happen unnoticed.
void check_characters(const YamlDocument& document, std::string_view text) {
  YamlMark mark{1, 1};
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) document.fail(mark, "this is not UTF-8 text");
    const unsigned char byte = static_cast<unsigned char>(text[at]);
    const bool control = (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F;
    if (control) document.fail(mark, "control character " + std::to_string(byte) + " is not allowed");
    mark.column += 1;
    if (byte == '\n') mark = {mark.line + 1, 1};
    at += length;
  }
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

std::string YamlNode::described() const {
  constexpr std::size_t shown = 60;
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::sequence:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      break;
  }
  const std::string cut = text.size() > shown ? text.substr(0, shown) + "..." : text;
  return quoted ? "\"" + cut + "\"" : "'" + cut + "'";
}

std::string YamlDocument::at(YamlMark mark) const {
  if (mark.line == 0) return source;
  return source + ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column);
}

void YamlDocument::fail(YamlMark mark, const std::string& message) const {
  throw UserError(at(mark) + ": " + message);
}

YamlDocument parse_yaml(std::string_view text, std::string source, std::vector<YamlProblem>* duplicates) {
  YamlDocument document{std::move(source), {}};
  document.root.mark = {1, 1};
  if (text.size() > max_file_bytes)
    document.fail({},
                  "larger than " + std::to_string(max_file_bytes >> 20) + " MiB, too large for a YAML file");
  check_characters(document, text);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(document, duplicates);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    document.fail(mark_of(error.mark), error.msg);
  }
  return document;
}

YamlDocument read_yaml(const std::filesystem::path& path, std::vector<YamlProblem>* duplicates) {
  return parse_yaml(read_file(path, max_file_bytes), path.string(), duplicates);
}

}  // namespace bitsmith::base
