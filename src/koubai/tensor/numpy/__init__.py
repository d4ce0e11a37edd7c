"""NumPy's functions under their own names and signatures, differentiable.

On plain arrays they are NumPy's own; with a tensor among the arguments the result is a tensor.
"""

from koubai.tensor.numpy.at import *
from koubai.tensor.numpy.building import *
from koubai.tensor.numpy.calculus import *
from koubai.tensor.numpy.create import *
from koubai.tensor.numpy.elementwise import *
from koubai.tensor.numpy.fallback import __getattr__ as __getattr__
from koubai.tensor.numpy.index import *
from koubai.tensor.numpy.join import *
from koubai.tensor.numpy.names import *
from koubai.tensor.numpy.order import *
from koubai.tensor.numpy.padding import *
from koubai.tensor.numpy.polynomials import *
from koubai.tensor.numpy.products import *
from koubai.tensor.numpy.reduce import *
from koubai.tensor.numpy.shape import *
from koubai.tensor.numpy.ufuncs import *
from koubai.tensor.numpy.values import *

from koubai.tensor.numpy import fft as fft, linalg as linalg  # isort: skip - after the functions that they are written with
