;; Writes a log line that holds a second one, and moves the terminal's cursor.
(import "tombolo:connector/log@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
(data (i32.const 700) "ok\0aFORGED everything is fine\1b[2J\1b]0;owned\07")
(func $attack (result i32)
  (call $emit (i32.const 2) (i32.const 700) (i32.const 42) (i32.const 0) (i32.const 0))
  (i32.const 64))
