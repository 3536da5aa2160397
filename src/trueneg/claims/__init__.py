"""One executable claim a system: what its paper says, on real data, with a sabotage that must fail."""

from __future__ import annotations

from importlib import import_module

from trueneg.claims.evidence import Claim, Evidence, run_claim

# Import strings, loaded when a claim is run: listing the claims must not load the systems.
CLAIMS: dict[str, str] = {
    "adore-random": "trueneg.claims.star_adore:AdoreRandom",
    "cet-scope": "trueneg.claims.pooling_bias:CetScope",
    "adaptive-margin-yield": "trueneg.claims.adaptive_margin:AdaptiveMarginYield",
    "confident-learning": "trueneg.claims.confident_learning:ConfidentLearningClaim",
    "fine-tuned-retriever": "trueneg.claims.fine_tuning:FineTunedRetriever",
    "hyp-oc-cifar10": "trueneg.claims.hyp_oc:HypOcCifar",
    "fn-review": "trueneg.claims.mining:FnReviewClaim",
    "intrusion-budget": "trueneg.claims.intrusion:IntrusionBudget",
    "intrusion-conformal": "trueneg.claims.intrusion:IntrusionCombined",
    "intrusion-equal-detection": "trueneg.claims.intrusion:IntrusionDetection",
    "judgments-review": "trueneg.claims.pools:JudgmentsReviewClaim",
    "loki-newsgroups": "trueneg.claims.loki:LokiNewsgroups",
    "loki-next-class": "trueneg.claims.loki:LokiNextClass",
    "loki-photographs": "trueneg.claims.loki:LokiPhotographs",
    "loki-random-trees": "trueneg.claims.loki:LokiRandomTrees",
    "loki-zero-shot": "trueneg.claims.loki:LokiZeroShot",
    "mahalanobis-attacks": "trueneg.claims.mahalanobis:MahalanobisAttacks",
    "mahalanobis-harsh": "trueneg.claims.mahalanobis:MahalanobisHarsh",
    "mahalanobis-trained": "trueneg.claims.mahalanobis_trained:MahalanobisTrained",
    "mahalanobis-unknown": "trueneg.claims.mahalanobis:MahalanobisUnknown",
    "max-logit-omniglot": "trueneg.claims.max_logit:MaxLogitOmniglot",
    "max-logit-semantic-shift": "trueneg.claims.max_logit:MaxLogitShift",
    "naive-bayes-frozen-features": "trueneg.claims.naive_bayes:NaiveBayesFrozenFeatures",
    "naive-bayes-sample-complexity": "trueneg.claims.naive_bayes:NaiveBayesSampleComplexity",
    "naive-bayes-two-regimes": "trueneg.claims.naive_bayes:NaiveBayesTwoRegimes",
    "noisy-metrics": "trueneg.claims.noisy_metrics:NoisyMetricsClaim",
    "pooling-bias-seen": "trueneg.claims.pools:PoolingSeenClaim",
    "pooling-is-not-fn": "trueneg.claims.pooling_bias:PoolingIsNotFn",
    "pooling-recovery": "trueneg.claims.pooling_bias:PoolingRecovery",
    "reasoning-judges": "trueneg.claims.reasoning:ReasoningJudges",
    "reasoning-pass-at-n": "trueneg.claims.reasoning:ReasoningPassAtN",
    "reasoning-tasks": "trueneg.claims.reasoning:ReasoningTasks",
    "reasoning-verifier": "trueneg.claims.reasoning:ReasoningVerifier",
    "resampling-models": "trueneg.claims.resampling:ResamplingSeveralModels",
    "resampling-programs": "trueneg.claims.resampling:ResamplingPrograms",
    "second-opinion": "trueneg.claims.mining:SecondOpinionClaim",
    "sentiment-audit": "trueneg.claims.sentiment:SentimentAudit",
    "sentiment-cleaning": "trueneg.claims.sentiment:SentimentCleaning",
    "sentiment-emotion": "trueneg.claims.sentiment:SentimentEmotion",
    "sentiment-misses": "trueneg.claims.sentiment:SentimentMisses",
    "smote-calibration": "trueneg.claims.smote:SmoteCalibration",
    "smote-widens": "trueneg.claims.smote:SmoteWidens",
    "soft-labels": "trueneg.claims.adaptive_margin:SoftLabels",
    "star-stability": "trueneg.claims.star_adore:StarStability",
    "suspects-calibrated": "trueneg.claims.ranking:SuspectsCalibrated",
    "suspects-direction": "trueneg.claims.ranking:SuspectsDirection",
    "suspects-no-regret": "trueneg.claims.ranking:SuspectsNoRegret",
    "suspects-rank": "trueneg.claims.ranking:SuspectsRank",
    "suspects-total": "trueneg.claims.survey:SuspectsTotal",
    "tacred-characterise": "trueneg.claims.neighbors:CharacteriseClaim",
    "tacred-neighbors": "trueneg.claims.neighbors:NeighborsClaim",
    "tacred-positive-side": "trueneg.claims.neighbors:PositiveSideClaim",
    "teacher-fusion": "trueneg.claims.adaptive_margin:TeacherFusionClaim",
    "teen-omniglot": "trueneg.claims.teen:TeenOmniglot",
    "teen-photographs": "trueneg.claims.teen:TeenPhotographs",
    "tsetlin-clinical": "trueneg.claims.tsetlin:TsetlinClinical",
    "tsetlin-newsgroups": "trueneg.claims.tsetlin:TsetlinNewsgroups",
    "tsetlin-reviews": "trueneg.claims.tsetlin:TsetlinReviews",
    "worked-examples": "trueneg.claims.adaptive_margin:WorkedExamplesClaim",
}
__all__ = ["CLAIMS", "Claim", "Evidence", "load", "run_claim"]


def load(name: str) -> Claim:
    """Return the claim of this id; the id must be one of ``CLAIMS``."""
    module, _, attribute = CLAIMS[name].partition(":")
    claim: Claim = getattr(import_module(module), attribute)()
    return claim
