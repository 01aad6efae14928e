;; Asks for more than its own memory may have, a thousand times: refused each time, and no bytes are booked.
(memory (export "memory") 2 2)
(func $attack (result i32)
  (local $times i32)
  (loop $again
    (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
    (br_if $again (i32.lt_u (local.tee $times (i32.add (local.get $times) (i32.const 1))) (i32.const 1000))))
  (i32.const 64))
