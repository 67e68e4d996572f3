"""What comes in (frameworks, files) and what goes out (tables, pictures, JSON)."""

from .contact_plans.files import read_contact_plan, write_contact_plan
from .contact_plans.frames import plan_from_dataframe
from .frames import to_dataframe
from .frameworks.keras_profile import read_tensorflow
from .frameworks.models import read_model
from .frameworks.onnx_profile import read_onnx
from .frameworks.pytorch_profile import read_pytorch
from .orbits.omm_file import read_omm, write_omm
from .orbits.station_files import read_stations
from .orbits.station_tables import station_providers, stations
from .orbits.tle_file import read_tle, write_tle
from .pass_text import write_passes
from .pictures.plots import plot, write_picture
from .plan_file import write_plan
from .satnet import read_satnet, write_satnet
from .scenario import Scenario, read_scenario
from .schedule_files import write_schedule
from .schedule_scenario import ScheduleScenario, read_schedule_scenario
from .space_scenario import SpaceScenario, read_space_scenario

__all__ = [
    "Scenario",
    "ScheduleScenario",
    "SpaceScenario",
    "plan_from_dataframe",
    "plot",
    "read_contact_plan",
    "read_model",
    "read_omm",
    "read_onnx",
    "read_pytorch",
    "read_satnet",
    "read_scenario",
    "read_schedule_scenario",
    "read_space_scenario",
    "read_stations",
    "read_tensorflow",
    "read_tle",
    "station_providers",
    "stations",
    "to_dataframe",
    "write_contact_plan",
    "write_omm",
    "write_passes",
    "write_picture",
    "write_plan",
    "write_satnet",
    "write_schedule",
    "write_tle",
]
