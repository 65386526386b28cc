"""What ComfyUI would read off a checkpoint of each network, made small. A text is ``TEXT_WIDTH`` wide in all."""

from __future__ import annotations

TEXT_WIDTH = 64

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": TEXT_WIDTH,
    "num_heads": 8,
    "num_head_channels": -1,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "use_temporal_attention": False,
    "legacy": False,
}
SDXL = {
    **UNET,
    "num_heads": -1,
    "num_head_channels": 64,
    "use_linear_in_transformer": True,
    "num_classes": "sequential",
    "adm_in_channels": 2816,
    "transformer_depth": [0, 2],
    "transformer_depth_output": [0, 0, 2, 2],
}
MMDIT = {
    "in_channels": 16,
    "out_channels": 16,
    "input_size": None,
    "patch_size": 2,
    "depth": 2,
    "num_patches": 64 * 64,
    "pos_embed_max_size": 64,
    "pos_embed_scaling_factor": None,
    "adm_in_channels": 64,
    "context_embedder_config": {
        "target": "torch.nn.Linear",
        "params": {"in_features": TEXT_WIDTH, "out_features": 128},
    },
    "context_size": TEXT_WIDTH,
    "qkv_bias": True,
}
WAN = {
    "image_model": "wan2.1",
    "model_type": "t2v",
    "dim": 96,
    "ffn_dim": 128,
    "num_heads": 4,
    "num_layers": 2,
    "in_dim": 16,
    "out_dim": 16,
    "text_dim": TEXT_WIDTH,
    "freq_dim": 32,
    "text_len": 16,
}
LUMINA = {
    "image_model": "lumina2",
    "in_channels": 16,
    "dim": 96,
    "cap_feat_dim": TEXT_WIDTH,
    "n_layers": 1,
    "n_refiner_layers": 1,
    "n_heads": 4,
    "n_kv_heads": 2,
    "qk_norm": True,
    "multiple_of": 32,
    "ffn_dim_multiplier": 1.0,
    "axes_dims": [8, 8, 8],
}
Z_IMAGE = {
    **LUMINA,
    "dim": 256,  # what it modulates with
    "n_kv_heads": 4,
    "axes_dims": [16, 24, 24],
    "rope_theta": 256.0,
    "z_image_modulation": True,
    "time_scale": 1000.0,
    "pad_tokens_multiple": 32,
}
QWEN = {
    "image_model": "qwen_image",
    "num_layers": 1,
    "attention_head_dim": 24,
    "num_attention_heads": 4,
    "joint_attention_dim": TEXT_WIDTH,
    "axes_dims_rope": (8, 8, 8),
}
KREA2 = {
    "image_model": "krea2",
    "features": 64,
    "layers": 1,
    "heads": 2,
    "kvheads": 1,
    "tdim": 32,
    "txtlayers": 4,
    "txtdim": TEXT_WIDTH // 4,
    "txtheads": 2,
    "txtkvheads": 2,
}
LTXV = {
    "image_model": "ltxv",
    "cross_attention_dim": 64,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "caption_channels": TEXT_WIDTH,
    "num_layers": 1,
}
OMNIGEN2 = {
    "image_model": "omnigen2",
    "hidden_size": 96,
    "num_layers": 1,
    "num_refiner_layers": 1,
    "num_attention_heads": 4,
    "num_kv_heads": 2,
    "multiple_of": 32,
    "axes_dim_rope": [8, 8, 8],
    "text_feat_dim": TEXT_WIDTH,
    "timestep_scale": 1000.0,
}
COSMOS = {
    "image_model": "cosmos_predict2",
    "max_img_h": 240,
    "max_img_w": 240,
    "max_frames": 128,
    "in_channels": 16,
    "out_channels": 16,
    "patch_spatial": 2,
    "patch_temporal": 1,
    "model_channels": 96,
    "num_heads": 4,
    "num_blocks": 1,
    "crossattn_emb_channels": TEXT_WIDTH,
    "pos_emb_cls": "rope3d",
    "use_adaln_lora": True,
    "adaln_lora_dim": 16,
}
ANIMA = {**COSMOS, "image_model": "anima"}
ERNIE = {
    "image_model": "ernie",
    "hidden_size": 96,
    "num_attention_heads": 4,
    "num_layers": 1,
    "ffn_hidden_size": 128,
    "text_in_dim": TEXT_WIDTH,
    "rope_axes_dim": (8, 8, 8),
}
IDEOGRAM4 = {
    "image_model": "ideogram4",
    "num_layers": 1,
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "intermediate_size": 64,
    "adaln_dim": 32,
    "llm_features_dim": TEXT_WIDTH,
    "mrope_section": (4, 4, 4),
}
KANDINSKY5 = {
    "image_model": "kandinsky5",
    "in_text_dim": TEXT_WIDTH,
    "in_text_dim2": TEXT_WIDTH,
    "time_dim": 32,
    "model_dim": 64,
    "ff_dim": 64,
    "visual_embed_dim": (2 * 16 + 1) * 4,
    "num_text_blocks": 1,
    "num_visual_blocks": 1,
    "axes_dims": (4, 6, 6),
}
KANDINSKY5_IMAGE = {**KANDINSKY5, "visual_embed_dim": 16 * 4, "rope_scale_factor": (1.0, 1.0, 1.0)}
