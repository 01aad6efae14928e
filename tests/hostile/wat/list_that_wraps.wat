;; Answers a list whose size in bytes is small again modulo 2^32.
(data (i32.const 648) "\00\00\00\00\4a\92\24\09")
(func $attack (result i32) (i32.const 640))
