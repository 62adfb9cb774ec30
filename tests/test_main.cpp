#define BOOST_TEST_MODULE bitsmith
#include <boost/test/unit_test.hpp>
