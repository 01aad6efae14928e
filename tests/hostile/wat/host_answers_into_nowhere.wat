;; Lets the host write its answer where the memory has long ended.
(import "tombolo:connector/state@1.0.0" "get" (func $get (param i32 i32 i32)))
(func $attack (result i32)
  (call $get (i32.const 700) (i32.const 1) (i32.const -8))
  (i32.const 64))
