;; Answers a list of 134 million entries that it does not have.
(data (i32.const 648) "\00\00\00\00\ff\ff\ff\07")
(func $attack (result i32) (i32.const 640))
