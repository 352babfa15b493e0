"""The engines that train one or many trials."""
