;; Answers a text that begins before the end of the address space and ends after it.
(data (i32.const 656) "\01\00\00\00\f0\ff\ff\ff\20\00\00\00")
(func $attack (result i32) (i32.const 640))
