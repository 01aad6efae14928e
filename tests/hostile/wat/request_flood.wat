;; Sends requests without end to a target that it was not given: each is refused, and each is counted.
(import "tombolo:connector/http@1.0.0" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 700) "nowhereGET/")
(func $attack (result i32)
  (loop $again
    (call $send (i32.const 700) (i32.const 7) (i32.const 707) (i32.const 3) (i32.const 710) (i32.const 1)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 800))
    (br $again))
  (unreachable))
