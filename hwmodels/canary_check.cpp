#include "hwmodels/canary_check.hpp"

#include <fmt/format.h>

namespace bitsmith::hwmodels {
namespace {

struct Loop {
  const char* name;
  double Canary::*time_ns;
};
constexpr Loop kJudged[] = {{"clock", &Canary::chain_ns}, {"vector", &Canary::vector_ns}};

void add_figures(std::string& figures, const char* loop, double table_ns, double now_ns) {
  figures += fmt::format("{}the {} loop takes {:.3f} ns now and took {:.3f} ns when the table was made",
                         figures.empty() ? "" : ", ", loop, now_ns, table_ns);
}

}  // namespace

CanaryVerdict compare_canaries(const Canary& table, const Canary& now, double tolerance) {
  std::string faster, slower;
  for (const Loop& loop : kJudged) {
    const double then_ns = table.*loop.time_ns, now_ns = now.*loop.time_ns;
    if (!(then_ns > 0 && now_ns > 0)) continue;
    if (then_ns > (1 + tolerance) * now_ns) add_figures(faster, loop.name, then_ns, now_ns);
    if (now_ns > (1 + tolerance) * then_ns) add_figures(slower, loop.name, then_ns, now_ns);
  }
  CanaryVerdict verdict;
  if (!faster.empty())
    verdict.stale = fmt::format(
        "canaries: {}; the machine was disturbed or clocked lower then, all is measured again", faster);
  else if (!slower.empty())
    verdict.warning = fmt::format(
        "this machine is slower than when its latency table was made: {}; a neighbour on the core, or "
        "another "
        "clock? The table is kept, but what is measured now may be too slow",
        slower);
  return verdict;
}

}  // namespace bitsmith::hwmodels
