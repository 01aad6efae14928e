;; Asks for 4 GiB in one go.
(func $attack (result i32) (drop (memory.grow (i32.const 65534))) (i32.const 64))
