;; Asks for the name of a secret with a handle that nobody gave it.
(import "tombolo:connector/secrets@1.0.0" "[method]secret.name" (func $name (param i32 i32)))
(func $attack (result i32) (call $name (i32.const 1) (i32.const 800)) (i32.const 64))
