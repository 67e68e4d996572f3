"""What comes in (frameworks, files) and what goes out (tables, pictures, JSON)."""

from .frames import to_dataframe
from .keras_profile import read_tensorflow
from .models import read_model
from .onnx_profile import read_onnx
from .plan_file import write_plan
from .plots import plot, write_picture
from .pytorch_profile import read_pytorch
from .scenario import Scenario, read_scenario

__all__ = [
    "Scenario",
    "plot",
    "read_model",
    "read_onnx",
    "read_pytorch",
    "read_scenario",
    "read_tensorflow",
    "to_dataframe",
    "write_picture",
    "write_plan",
]
