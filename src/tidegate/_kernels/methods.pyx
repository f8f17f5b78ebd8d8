"""Methods in C for classes in Python.

Arguments as an array (METH_FASTCALL) have no spelling in a `def`, and a method that Python runs
costs as much as all that a short one does.
"""

from cpython.object cimport PyTypeObject

cdef extern from "Python.h":
    object PyDescr_NewMethod(PyTypeObject* owner, PyMethodDef* method)

cdef list FOREVER = []  # anybody may have looked up a method


cdef class Method:
    """Stands in for a method until the class is made, and puts one in C in its place.

    The method that was written stays, as ``_<name>_by_python``.
    """

    def __set_name__(self, owner, str name):
        """Take the place of the method."""
        if not issubclass(owner, self.base):
            raise TypeError(f"{owner.__name__} is no {self.base.__name__}")
        FOREVER.append(self)
        setattr(owner, f"_{name}_by_python", self.original)
        setattr(owner, name, PyDescr_NewMethod(<PyTypeObject*>owner, &self.definition))


cdef Method in_place_of(object method, str signature, type base, PyCFunction function, int flags):
    """What puts a function in C in the place of a method.

    Parameters
    ----------
    method : function
        Its name and its documentation stay.
    signature : str
        As `help` shows it, from the parenthesis on.
    base : type
        Only classes derived from it may have the method.
    function : pointer
        Called with an instance and what the flags say.
    flags : int
        METH_FASTCALL, with METH_KEYWORDS or without.
    """
    cdef Method new = Method.__new__(Method)
    new.original = method
    new.base = base
    new.name = method.__name__.encode()
    new.doc = f"{method.__name__}{signature}\n--\n\n{method.__doc__}".encode()
    new.definition.ml_name = new.name
    new.definition.ml_meth = function
    new.definition.ml_flags = flags
    new.definition.ml_doc = new.doc
    return new
