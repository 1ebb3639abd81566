"""Scores of a set of generated images: FID, sFID, inception score, precision and recall as the ADM suite defines them, and label agreement.

Source of every definition: openai/guided-diffusion, evaluations/evaluator.py (Dhariwal & Nichol 2021).
"""
