#pragma once

#include "experiments/config/config.hpp"
#include "experiments/config/field.hpp"

namespace bitsmith::experiments {

/// Shows every field of a configuration to the visitor. This is the only place where keys, ranges, units and
/// meanings are written down; a new option is one line in fields_*.cpp beside its default in the options
/// struct.
void visit_fields(FieldVisitor& visitor, Config& config);

void visit_fields(FieldVisitor& visitor, trainer::DataOptions& options);
void visit_fields(FieldVisitor& visitor, trainer::TrainOptions& options);
void visit_fields(FieldVisitor& visitor, quant::QuantizationOptions& options);
void visit_fields(FieldVisitor& visitor, PtqConfig& options);
void visit_fields(FieldVisitor& visitor, QatConfig& options);
/// What ptq and qat call a policy: formats of all layers, or a file.
void visit_policy(FieldVisitor& visitor, quant::Format& weights, quant::Format& activations,
                  std::string& policy);
void visit_fields(FieldVisitor& visitor, search::EvaluatorOptions& options);
void visit_fields(FieldVisitor& visitor, search::SearchOptions& options);
void visit_fields(FieldVisitor& visitor, hwmodels::HostOptions& options);
void visit_fields(FieldVisitor& visitor, hwmodels::CommandOptions& options, std::string_view command_meaning);

}  // namespace bitsmith::experiments
