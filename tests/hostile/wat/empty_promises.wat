;; Exports the interfaces of a connector with nothing in them.
(component
  (instance $nothing)
  (export "tombolo:connector/connector@0.1.0" (instance $nothing))
  (export "tombolo:connector/read@0.1.0" (instance $nothing)))
