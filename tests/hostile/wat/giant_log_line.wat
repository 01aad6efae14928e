;; Writes a log line of 16 MiB.
(import "tombolo:connector/log@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
(func $attack (result i32)
  (drop (memory.grow (i32.const 256)))
  (call $emit (i32.const 1) (i32.const 0) (i32.const 0x1000000) (i32.const 0) (i32.const 0))
  (i32.const 64))
