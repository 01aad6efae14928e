//! `tombolo`: see the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The compiling child limits itself before it starts any thread, and reads neither files nor environment.
    if tombolo::cli::is_compile_child() {
        return tombolo_runtime::compile_child_main();
    }
    tombolo::cli::main()
}
