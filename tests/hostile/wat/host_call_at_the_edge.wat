;; Hands the host a text that ends one byte after its memory.
(import "tombolo:connector/state@1.0.0" "get" (func $get (param i32 i32 i32)))
(func $attack (result i32)
  (call $get (i32.const 131071) (i32.const 2) (i32.const 800))
  (i32.const 64))
