//! JSON Schemas of the documents that people and other programs write.

use std::path::PathBuf;

use cosmosmesh_mission as mission;
use schemars::{JsonSchema, schema_for};

use crate::Generated;

/// All schemas. One line adds a type.
pub(crate) fn generate() -> Vec<Generated> {
    vec![
        schema::<mission::AuditLog>("audit_log"),
        schema::<mission::DualVariables>("dual_variables"),
        schema::<mission::Envelope>("envelope"),
        schema::<mission::LocalProblem>("local_problem"),
        schema::<mission::PlanDelta>("plan_delta"),
        schema::<mission::PolicyBlock>("policy_block"),
        schema::<mission::PrivacyBudget>("privacy_budget"),
        schema::<mission::RegistryEntry>("registry_entry"),
        schema::<cosmosmesh_planning::scenario::File>("scenario"),
        schema::<mission::SharedVariables>("shared_variables"),
    ]
}

fn schema<T: JsonSchema>(name: &str) -> Generated {
    let mut schema = schema_for!(T).to_value();
    // Whatever order the map type of this build keeps.
    schema.sort_all_objects();
    Generated {
        path: PathBuf::from(format!("schemas/{name}.schema.json")),
        text: format!("{schema:#}\n"),
    }
}
