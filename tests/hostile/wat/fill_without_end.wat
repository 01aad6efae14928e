;; One instruction that writes 25 MiB, over and over: between two looks at the clock there is much to do.
(func $attack (result i32)
  (drop (memory.grow (i32.const 400)))
  (loop $again
    (memory.fill (i32.const 131072) (i32.const 1) (i32.const 26000000))
    (br $again))
  (unreachable))
