#define BOOST_TEST_MODULE bitsmith
#include <boost/test/unit_test.hpp>

#include "quant/kernels/onednn_isa.hpp"

struct ForcedInstructionSet {
  void setup() { bitsmith::quant::restrain_onednn(); }
};
BOOST_TEST_GLOBAL_FIXTURE(ForcedInstructionSet);
