;; Takes memory, and touches it, until there is none.
(func $attack (result i32)
  (loop $again
    (i32.store (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)) (i32.const 1))
    (br $again))
  (unreachable))
