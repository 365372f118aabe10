"""All reproductions, in the order of the page."""

from tools.reproduction.bahdanau2015 import REPRODUCTION as BAHDANAU
from tools.reproduction.britz2017 import REPRODUCTION as BRITZ
from tools.reproduction.claims import Reproduction
from tools.reproduction.collins2017 import REPRODUCTION as COLLINS
from tools.reproduction.graves2014 import REPRODUCTION as GRAVES
from tools.reproduction.jain2019 import REPRODUCTION as JAIN
from tools.reproduction.sutskever2014 import REPRODUCTION as SUTSKEVER
from tools.reproduction.zoology2024 import REPRODUCTION as ZOOLOGY

ALL: tuple[Reproduction, ...] = (BAHDANAU, BRITZ, SUTSKEVER, ZOOLOGY, COLLINS, GRAVES, JAIN)
