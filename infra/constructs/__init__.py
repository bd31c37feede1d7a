"""Small constructs over the generated bindings, one noun a module.

Declared texts come in as literals (`infra.declared.literal`, applied by `infra.stacks` to a whole
environment), so that a text and a reference can stand beside each other; what a construct adds of
its own, such as comments and SQL, it makes a literal itself.
"""
