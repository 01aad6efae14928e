;; Describes itself in half a million brackets.
(memory (export "memory") 12)
(data (i32.const 32) "\00\00\00\00\00\00\01\00\20\a1\07\00")
(func (export "tombolo:connector/connector@1.0.0#describe") (result i32)
  (memory.fill (i32.const 65536) (i32.const 0x5b) (i32.const 500000))
  (i32.const 32))
