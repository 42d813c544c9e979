"""The pages of the app: each answers one question, and belongs to an equation and a notebook."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        name: its file in ``views``.
        group: the heading in the navigation.
        title: in the navigation; short.
        question: the heading of the page.
        icon: Material symbol.
        source: where it comes from in the paper, in words.
        equation: LaTeX of what the page is about; empty where there is none.
        notebook: the notebook that builds it by hand, without its ending.
    """

    name: str
    group: str
    title: str
    question: str
    icon: str
    source: str = ""
    equation: str = ""
    notebook: str = ""

    @property
    def path(self) -> str:
        """Its address below the app's; the first page has none."""
        return "" if self.name == "start" else self.name.replace("_", "-")

    @property
    def file(self) -> str:
        """Its file, as `st.Page` and `st.page_link` want it."""
        return f"views/{self.name}.py"

    @property
    def symbol(self) -> str:
        """The icon as Streamlit writes it."""
        return f":material/{self.icon}:"


WEIGHTED = r"\hat y = g([w_1 v_1, \dots, w_n v_n]),\quad w = \mathrm{sigmoid}(h(r_{state}))"
MASKED = r"v'_i = \begin{cases}v_{[MASK]_i} & u_i < p\\ v_i & \text{else}\end{cases}"
MASKED += r",\quad p \sim U[\beta, \gamma]"
TOTAL = (
    r"L = L_{main} + \alpha\,L_{aux},\quad L_{aux} = \sum_{j=1}^{k} \ell(y, \hat y_{mask}^{\,j})"
)
RELA_IMPR = r"\mathrm{RelaImpr} = \frac{\mathrm{AUC}}{\mathrm{AUC}_{base}} - 1"
GRADIENT = r"\frac{\partial L}{\partial v_i} = w_i\,\frac{\partial L}{\partial (w_i v_i)}"

RUNS = "Runs"
QUESTIONS = "What the framework does"
TRY = "Try it"
HOLDS = "Does it hold?"

PAGES = (
    Page("start", "", "Start", "AdaF2M2 workbench", "home"),
    Page(
        "runs",
        RUNS,
        "All runs",
        "Which runs are there, and what did each cost?",
        "table_rows",
        "section 4.1: the relative improvement (RelaImpr) over a base model",
        RELA_IMPR,
        "02_baselines_and_honest_metrics",
    ),
    Page(
        "data_card",
        RUNS,
        "The data",
        "What is in the data?",
        "dataset",
        "section 1: few users make most of the samples",
        "",
        "01_long_tail_and_over_reliance",
    ),
    Page(
        "adapter_weights",
        QUESTIONS,
        "How are features weighed?",
        "How does the adapter weigh features as users become active?",
        "tune",
        "section 3.3 and equation (4): the state-aware adapter",
        WEIGHTED,
        "04_state_aware_adapter",
    ),
    Page(
        "id_norms",
        QUESTIONS,
        "Do head IDs grow larger?",
        "Do head users' ID embeddings grow larger?",
        "straighten",
        "section 3.3: the norm of an ID embedding is a signal of its state",
        r"r_{norm} = \lVert v_{ID} \rVert_2",
        "01_long_tail_and_over_reliance",
    ),
    Page(
        "auc_by_bucket",
        QUESTIONS,
        "What does masking do to AUC?",
        "What does masking do to AUC per activity bucket?",
        "stacked_bar_chart",
        "equation (3) and section 3.4: the auxiliary loss of the masked copies",
        TOTAL,
        "06_full_framework_and_ablation",
    ),
    Page(
        "mask_microscope",
        QUESTIONS,
        "What does the mask hide?",
        "What does the mask hide of one sample?",
        "biotech",
        "equations (1) and (2): masked copies of a sample",
        MASKED,
        "03_feature_mask",
    ),
    Page(
        "gradient_share",
        QUESTIONS,
        "Which features still learn?",
        "Which features still learn, and from which loss?",
        "ssid_chart",
        "equation (5): a small weight makes a small gradient",
        GRADIENT,
        "05_vanishing_gradients",
    ),
    Page(
        "live_lab",
        TRY,
        "Live lab",
        "What do alpha, k and the mask range do while a model trains?",
        "science",
        "section 3.4: the main loss (6) plus alpha times the auxiliary one (3)",
        TOTAL,
        "08_alpha_k_mask_range_and_cost",
    ),
    Page(
        "what_if",
        TRY,
        "What if this user ...?",
        "What if this user were more active, or had another ID?",
        "help_center",
        "equation (4): weights follow the state of user and item",
        WEIGHTED,
        "04_state_aware_adapter",
    ),
    Page(
        "cold_start",
        TRY,
        "Cold-start simulator",
        "What does a user get whose history is cut to a few events?",
        "ac_unit",
        "section 4.2: what new users and items get",
        WEIGHTED,
        "07_cold_start_and_robustness",
    ),
    Page(
        "robustness",
        HOLDS,
        "Reliance and robustness",
        "How much is lost when a feature is missing?",
        "shield",
        "section 1: over-reliance on ID features",
        MASKED,
        "07_cold_start_and_robustness",
    ),
    Page(
        "response_surface",
        HOLDS,
        "Response surface",
        "Where is the optimum of alpha, k and the mask range?",
        "landscape",
        "equation (3): k copies act as a weight of alpha times k",
        TOTAL,
        "08_alpha_k_mask_range_and_cost",
    ),
    Page(
        "calibration",
        HOLDS,
        "Calibration and cost",
        "Are the predictions calibrated, and what do they cost?",
        "balance",
        "equation (6): the log loss that is trained",
        r"\mathrm{ECE} = \sum_b \frac{n_b}{n}\,\lvert \bar y_b - \bar p_b \rvert",
        "02_baselines_and_honest_metrics",
    ),
    Page(
        "planted_truth",
        HOLDS,
        "Planted truth",
        "Does the adapter find what was planted?",
        "grass",
        "equation (4), against a world whose importances are known",
        WEIGHTED,
        "04_state_aware_adapter",
    ),
    Page(
        "regimes",
        HOLDS,
        "Where the gain lives",
        "For whom, and on what data, is there a gain?",
        "travel_explore",
        "sections 1 and 4.2: the long tail, and cold users and items",
        RELA_IMPR,
        "07_cold_start_and_robustness",
    ),
    Page(
        "paper_tables",
        HOLDS,
        "Paper tables",
        "What does the paper report, and what is found here?",
        "table_chart",
        "tables 2 to 4",
        RELA_IMPR,
        "06_full_framework_and_ablation",
    ),
)
BY_NAME = {page.name: page for page in PAGES}
