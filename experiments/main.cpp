#include <csignal>
#include <iostream>

#include "experiments/commands/program.hpp"

int main(int argc, char** argv) {
  // A file that may not grow is a failed write with a message, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  return bitsmith::experiments::run_program(argc, argv, std::cout, std::cerr);
}
