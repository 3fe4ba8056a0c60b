"""A configuration such as the older tool's users have."""

P = "KNLP_MECHINT"
ABLATION = f"""\
# Trains three variants, then analyses them
CONFIG_MODEL="gpt2"
CONFIG_GPT2_DATASET_NAME="tinystories"
CONFIG_BATCH_SIZE=20
CONFIG_DATA_DIR="./gpt2/data"
# CONFIG_DRY_RUN is not set
CONFIG_{P}=y
CONFIG_{P}_KV_POSTTRAIN=y      # Run new analysis
CONFIG_{P}_KV_CHECKPOINT="./output/final_model_step*.pt"
CONFIG_{P}_KV_RUN_DIR=""
CONFIG_{P}_KV_TARGET_SPARSITY="0.95"
CONFIG_{P}_KV_STEPS=500
CONFIG_{P}_KV_LR="0.01"
CONFIG_{P}_KV_TARGET_METRIC="loss"
CONFIG_{P}_KV_TEMP_SCHEDULE="linear:1.0:0.1"
CONFIG_{P}_KV_SPARSITY_SCHEDULE="cubic"
CONFIG_{P}_KV_L1_LAMBDA="0.001"
CONFIG_{P}_KV_HARD_MASKS=y
CONFIG_{P}_OUTPUT_DIR="mechint_analysis_kv_tinystories"
CONFIG_{P}_VISUALIZE_HEATMAPS=y
CONFIG_{P}_VISUALIZE_CURVES=y
CONFIG_{P}_VISUALIZE_FAITHFULNESS=y
CONFIG_{P}_VISUALIZE_WANDB=y
CONFIG_{P}_SAVE_MASKS=y
CONFIG_TRACKER_PROJECT="gpt2-mechint-kv-tinystories"
CONFIG_WANDB_PROJECT="another name"
"""
