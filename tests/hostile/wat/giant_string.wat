;; Answers a text of 2 GiB that it does not have.
(data (i32.const 656) "\01\00\00\00\00\00\00\00\ff\ff\ff\7f")
(func $attack (result i32) (i32.const 640))
