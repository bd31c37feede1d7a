# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/databricks/databricks" {
  version     = "1.99.0"
  constraints = "1.99.0"
  hashes = [
    "h1:/Bgt2wk+z/1Rw3HgE3Z4ImNM4vWPkWdaFyBjxM6LLWw=",
    "h1:FYSjMVWF9H6Z1bSRCcwOB2atdKSaKlAQ6rTkaVxjyNs=",
    "h1:GEParsmEL9D9Rh5smJPIFTWrLcjYtRll4EPjXorzHEc=",
    "h1:Xo8KhpiEu3vPFjRjJEKHNYmHtga6Xtu2aJlC0fRlvKw=",
    "h1:YgvCOGVhoRMDt6D4V1JUWdn0xzT/brv0B+ncAEY18oo=",
    "h1:xF/8c/TqdWYtdELKTq4O7xjLgJ7yN4yxCwTs18rcF28=",
    "zh:15bdaeba2c06b4e3ba82d47a02ae54a21a05d8c32ea1910a5bd4f8b126edf13c",
    "zh:5080115f3702a7a11764238e481f734ac5b6cb2f6ddd7cce95ed2ad1e4d80927",
    "zh:5330d88ccdb0876a84853b47c7b1add19a11906740f7696ab8cc7810074a9536",
    "zh:6277a7f51be129e4a0e949843616fb162abb8feb9b722fcecb0da8f2a6d29ca3",
    "zh:8bbc59f914f40722fc3e68be2a7e70ae1b180ab3abbd41bc9eabe430e85f9b99",
    "zh:c81c2806e21bd7f40cfc87dffe0a6eccd768c262e38eac3ecd43611afd55c541",
  ]
}
