//! The compiling child by itself, for the tests of this crate: the server has it as a hidden sub-command.

fn main() -> std::process::ExitCode {
    tombolo_runtime::compile_child_main()
}
