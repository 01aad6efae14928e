;; Is a core module and no component.
(module (memory (export "memory") 1))
