"""Task definitions, training, registry, and the released LoRA adapters. (Not AdapterHub's package of the same name.)"""
