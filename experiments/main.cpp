#include <iostream>

#include "experiments/commands/program.hpp"

int main(int argc, char** argv) {
  return bitsmith::experiments::run_program(argc, argv, std::cout, std::cerr);
}
