"""Training: the loop, its history, metrics, callbacks, the gradient check of a network, saving and loading.

May import everything below: `check`, `nn`, `optim`, `data`, `tensor` and what these stand on.
"""

from koubai.train.callbacks import Callback, Checkpoint, EarlyStopping
from koubai.train.files import load, read_info, save
from koubai.train.fitting import evaluate, fit
from koubai.train.gradient_check import GradCheck, check_network
from koubai.train.history import History
from koubai.train.scaling import Standardize, Unstandardize
from koubai.train.step_report import StepReport
from koubai.train.verify import verify_step

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "GradCheck",
    "History",
    "Standardize",
    "StepReport",
    "Unstandardize",
    "check_network",
    "evaluate",
    "fit",
    "load",
    "read_info",
    "save",
    "verify_step",
]
