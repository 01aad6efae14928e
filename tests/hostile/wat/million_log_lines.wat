;; Writes a million log lines.
(import "tombolo:connector/log@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
(data (i32.const 700) "flood")
(func $attack (result i32)
  (local $times i32)
  (loop $again
    (call $emit (i32.const 1) (i32.const 700) (i32.const 5) (i32.const 0) (i32.const 0))
    (br_if $again (i32.lt_u (local.tee $times (i32.add (local.get $times) (i32.const 1))) (i32.const 1000000))))
  (i32.const 64))
