//! The worked example, which needs nothing of the feature `testing`.

#[path = "../examples/service.rs"]
mod service;

#[test]
fn the_example_of_a_service_over_a_remote_vault_runs() -> Result<(), Box<dyn std::error::Error>> {
    service::main()
}
