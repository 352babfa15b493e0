"""Metrics (MPJPE, P-MPJPE, PCK, AUC), published evaluation protocols, and result tables."""
