;; Logs at a level that there is not.
(import "tombolo:connector/log@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
(func $attack (result i32)
  (call $emit (i32.const 77) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))
  (i32.const 64))
