"""What files and this project declare: pure values, which know no cdktf."""
