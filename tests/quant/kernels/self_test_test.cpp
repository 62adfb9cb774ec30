#include "quant/kernels/self_test.hpp"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(self_test)

BOOST_AUTO_TEST_CASE(the_kernels_of_this_machine_pass) {
  BOOST_CHECK_NO_THROW(bitsmith::quant::self_test_kernels());
}

BOOST_AUTO_TEST_SUITE_END()
