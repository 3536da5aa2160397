"""Intrusion detection with fewer false alarms: detectors of attacks that keep to a budget.

Al Jallad, Aljnidi and Desouki (2020), "Anomaly detection optimization using big data and deep learning to reduce
false-positive", Journal of Big Data 7:68, say that a deep network has fewer false alarms than traditional learners. At
equal detection that is so beside linear models, and not so beside trees; and no detector that learned from attacks
keeps its budget of alarms on other traffic, unless its threshold is set on clean flows from there.

- :class:`IntrusionRejecter`: detectors together, by conformal p-values, under a budget; for tables of flows.
- :class:`AlarmBudget`, :class:`AlarmMeter`: a threshold with an exact binomial bound, and a stream held to it;
  :class:`HourlyAlarms`: its alarms by the hour.
- :class:`FlowEncoder`: tables of flows as numbers.
- :class:`FlowNetwork`, :class:`SparseAutoencoder`, :class:`FlowForest`, :class:`FlowIsolation`: the detectors.
- :func:`detection_report`, :func:`false_alarms_at`: by family and novelty of the attack; at equal detection.
"""

from __future__ import annotations

from trueneg.reject._intrusion.budget import AlarmBudget, AlarmMeter, exact_share, flows_needed
from trueneg.reject._intrusion.flows import FlowEncoder
from trueneg.reject._intrusion.hours import HourlyAlarms
from trueneg.reject._intrusion.nets import FlowNetwork, SparseAutoencoder
from trueneg.reject._intrusion.rejecter import IntrusionRejecter
from trueneg.reject._intrusion.study import DetectionReport, detection_report, false_alarms_at
from trueneg.reject._intrusion.trees import FlowForest, FlowIsolation, Trees

__all__ = [
    "AlarmBudget",
    "AlarmMeter",
    "DetectionReport",
    "FlowEncoder",
    "FlowForest",
    "FlowIsolation",
    "FlowNetwork",
    "HourlyAlarms",
    "IntrusionRejecter",
    "SparseAutoencoder",
    "Trees",
    "detection_report",
    "exact_share",
    "false_alarms_at",
    "flows_needed",
]
